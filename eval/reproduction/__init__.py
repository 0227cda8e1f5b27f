"""Published tables, the commands that answer them with xret, and whether the numbers agree."""
