"""Gradient-coding schemes: who holds which data, what each worker sends, and how the sum comes back."""

from gradcode.schemes.base import GradientCode
from gradcode.schemes.decoder import Decoder
from gradcode.schemes.design import design
from gradcode.schemes.grouped import Grouped, Uncoded
from gradcode.schemes.subset import Subset
from gradcode.schemes.survivors import Survivors

__all__ = ["Decoder", "GradientCode", "Grouped", "Subset", "Survivors", "Uncoded", "design"]
