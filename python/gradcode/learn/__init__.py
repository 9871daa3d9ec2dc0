"""Models in scikit-learn's manner, with gradients from coded rounds.

Needs scikit-learn 1.6 or later (the extra ``train``). Inside ``mpirun`` ranks are the workers, and elsewhere threads.
"""

from gradcode.errors import MissingExtra

try:
    from gradcode.learn.estimator import CodedLogisticRegression
except ImportError as error:
    if (error.name or "").partition(".")[0] not in ("sklearn", "threadpoolctl"):
        raise
    raise MissingExtra("gradcode.learn needs scikit-learn 1.6 or later", "train") from error

__all__ = ["CodedLogisticRegression"]
