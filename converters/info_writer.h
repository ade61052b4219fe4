/* The report of etlinfo as the driver sees it. */
#ifndef ETLHEAP_CONVERTERS_INFO_WRITER_H
#define ETLHEAP_CONVERTERS_INFO_WRITER_H

#include "writer.h"

extern const struct writer info_writer;

#endif
