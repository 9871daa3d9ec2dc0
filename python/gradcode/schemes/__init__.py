"""Gradient-coding schemes: who holds which data, what each worker sends, and how the sum is decoded."""

from gradcode.schemes.base import GradientCode
from gradcode.schemes.bounds import condition_bound
from gradcode.schemes.cyclic import CyclicRepetition
from gradcode.schemes.decoder import Decoder
from gradcode.schemes.design import design
from gradcode.schemes.estimate import Estimate
from gradcode.schemes.grouped import FractionalRepetition, Grouped, Uncoded
from gradcode.schemes.ignore import IgnoreStragglers
from gradcode.schemes.subset import Subset
from gradcode.schemes.survivors import Survivors
from gradcode.schemes.ye_abbe import YeAbbe

__all__ = [
    "CyclicRepetition",
    "Decoder",
    "Estimate",
    "FractionalRepetition",
    "GradientCode",
    "Grouped",
    "IgnoreStragglers",
    "Subset",
    "Survivors",
    "Uncoded",
    "YeAbbe",
    "condition_bound",
    "design",
]
