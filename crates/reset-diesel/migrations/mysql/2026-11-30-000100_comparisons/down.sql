DROP TABLE polyreset_comparisons;
