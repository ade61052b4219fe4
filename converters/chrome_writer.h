/* Chrome trace JSON: what chrome://tracing, the Perfetto UI and other viewers open. */
#ifndef ETLHEAP_CONVERTERS_CHROME_WRITER_H
#define ETLHEAP_CONVERTERS_CHROME_WRITER_H

#include "writer.h"

extern const struct writer chrome_writer;

#endif
