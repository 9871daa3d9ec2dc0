"""What people look at: the terminal during a run, and tables, figures and pages after it.

`records` reads what a run has kept; everything else is drawn from that. `terminal` shows a run while it goes on,
`comparison` puts runs side by side, `figures` and `page` make report.html, `codes` draws
codes side by side, `drawing` is the one look of all figures, and `quantities` writes numbers for people.
"""
