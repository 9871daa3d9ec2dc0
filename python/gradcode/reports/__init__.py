"""Reports of training runs: the terminal during a run, and tables, figures and pages after it.

- `records`: reads what a run has written; all pages and figures are made from it
- `live`: the terminal, with the `progress` of a run and its `summary` at the end
- `comparison`: several runs side by side, as a table
- `figures`: the figures of runs, on `bins` and `axes`; `codes`: the figure of codes; `drawing`: the style of all
- `page`: report.html and comparison.html, with `inline` figures; `directory`: all pages of an output directory
- `quantities`: numbers as text
"""
