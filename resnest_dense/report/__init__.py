"""A run on one page: what its folder holds, measured, drawn, and written as HTML that needs no
other file and no network."""
