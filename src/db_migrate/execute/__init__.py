"""Apply and roll back: what was proved is executed under lock discipline, journalled, and verified."""
