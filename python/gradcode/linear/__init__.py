"""Linear models: their losses, and the optimisers that minimise them.

- `targets`: the kinds of labels
- `losses`: the losses and their gradients
- `objective`: regularisation and batches
- `optimisers`: all optimisers by name; `first_order` and `lbfgs` implement them, `iteration` is what they share
- `spectrum`: the norm of the data, on which step lengths depend

Nothing here knows where rows come from or where gradients are computed.
"""
