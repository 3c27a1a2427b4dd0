"""The groups of commands of ``resnest-dense``: in each file ``add_commands`` and what they run.

A command imports what it needs when it runs, so that one works without the packages of another.
"""
