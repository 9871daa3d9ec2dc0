"""Models with the interface of scikit-learn, whose gradients come from coded rounds.

They need scikit-learn 1.6 or later (the extra ``train``). Inside ``mpirun`` the workers are ranks, elsewhere threads.
"""

from gradcode.errors import MissingExtra

try:
    from gradcode.learn.estimator import CodedLogisticRegression
except ImportError as error:
    if (error.name or "").partition(".")[0] not in ("sklearn", "threadpoolctl"):
        raise
    raise MissingExtra("gradcode.learn needs scikit-learn 1.6 or later", "train") from error

__all__ = ["CodedLogisticRegression"]
