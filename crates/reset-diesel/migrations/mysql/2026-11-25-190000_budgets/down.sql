DROP TABLE polyreset_budgets;
