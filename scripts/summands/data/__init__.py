"""Where data come from: designs, seeds, the generator, and the files of data sets."""
