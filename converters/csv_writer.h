#ifndef ETLHEAP_CONVERTERS_CSV_WRITER_H
#define ETLHEAP_CONVERTERS_CSV_WRITER_H

#include "writer.h"

extern const struct writer csv_writer;

#endif
