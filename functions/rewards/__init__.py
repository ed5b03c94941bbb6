"""The games for the value of the basket, and the only account that reads where their winners are reached."""
