#ifndef ETLHEAP_CONVERTERS_NULL_WRITER_H
#define ETLHEAP_CONVERTERS_NULL_WRITER_H

#include "writer.h"

extern const struct writer null_writer;

#endif
