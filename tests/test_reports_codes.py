"""The figure of codes side by side."""

from __future__ import annotations

from gradcode.reports.codes import CodeRecord, draw_codes


def test_the_same_codes_give_the_same_figure_with_the_best_ones_named(tmp_path):
    codes = [
        CodeRecord("parity", 1, 4, 2.4, 3.2, pareto=True),
        CodeRecord("gaussian", 1, 4, 28.0, 40.0, pareto=False),
        CodeRecord("harmonic", 2, 3, 21.0, 2.5, pareto=True),
    ]
    for name in ("figure.svg", "again.svg"):
        draw_codes(5, codes, tmp_path / name)
    figure = (tmp_path / "figure.svg").read_text()
    assert figure == (tmp_path / "again.svg").read_text()
    assert "parity, s = 1, m = 4" in figure and "harmonic, s = 2, m = 3" in figure and "gaussian" not in figure
