DROP TABLE polyreset.budgets;
