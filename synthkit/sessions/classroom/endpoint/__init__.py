"""One model server for a class: tokens, fair turns and a cap for each student."""
