DROP TABLE polyreset.comparisons;
