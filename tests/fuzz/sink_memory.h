/* A sink in memory: it takes the place of lib/io/sink.c in programs that do not open files. */
#ifndef ETLHEAP_TESTS_SINK_MEMORY_H
#define ETLHEAP_TESTS_SINK_MEMORY_H

#include "io/sink.h"

struct out_file {
    size_t room;
};

/* `file` is zeroed and lives as long as the sink. */
struct out sink_in_memory(struct out_file *file);

/* What was written, with a NUL behind it. */
struct fuzz_output {
    char *bytes; /* to be freed */
    size_t length;
};
struct fuzz_output sink_output(struct out *o);

#endif
