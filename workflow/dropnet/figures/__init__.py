"""Tables to pictures, each of them a page that explains itself.

`style` says how methods look, `page` what every picture has: its width, the words on its face, its
legend and its files. Each other module draws one kind of picture from one table: a function `plot`
that returns a figure for `page.save`. Another kind is one more module, with a script and a rule.

May import `criteria`, `tables`, `paper` and what is below them.
"""
