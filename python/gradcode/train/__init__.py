"""The ready application: L2-regularised logistic regression with two classes, trained by coded gradient descent.

The modules are `data` (read, split and share out the rows), `objective` (loss and gradient of a share),
`optimisers` (the descent at the master), `delays` (straggling injected for experiments) and `report` (what is
shown while a run goes on and after it). The training data are sparse throughout.
"""
