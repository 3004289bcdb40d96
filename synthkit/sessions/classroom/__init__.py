"""A class: who marks which rows, what the students send back, and how far they agree."""
