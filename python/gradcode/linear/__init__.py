"""Linear models: what is minimised, and how.

`targets` says what labels may be, `losses` has the losses with their gradients, `objective` what the master adds to
them, `optimisers` the descent, and `spectrum` the norm of the data that step sizes depend on. Nothing here knows where
rows come from or where gradients are computed.
"""
