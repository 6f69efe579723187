# Fit a table by lme4's REML: Rscript reml.R FOLDER ROWS SIZE SIZE SIZE
#
# FOLDER has what benchmarks.scale writes of a table: bare numbers, a file a column.
given <- commandArgs(trailingOnly = TRUE)
rows <- as.integer(given[2])
column <- function(name, size) {
  codes <- readBin(file.path(given[1], paste0(name, ".bin")), "integer", rows)
  structure(codes + 1L, levels = as.character(seq_len(size)), class = "factor")
}
sizes <- as.integer(given[3:5])
table <- data.frame(
  value = readBin(file.path(given[1], "value.bin"), "double", rows),
  a = column("a", sizes[1]), b = column("b", sizes[2]), c = column("c", sizes[3])
)
suppressPackageStartupMessages(library(lme4))
taken <- system.time(lmer(value ~ 1 + (1 | a) + (1 | b) + (1 | c), table))
cat("SECONDS", sum(taken[c("user.self", "sys.self")]), "\n")
