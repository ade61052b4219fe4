/* Perfetto traces: what ui.perfetto.dev and the trace processor open. */
#ifndef ETLHEAP_CONVERTERS_PERFETTO_WRITER_H
#define ETLHEAP_CONVERTERS_PERFETTO_WRITER_H

#include "writer.h"

extern const struct writer perfetto_writer;

#endif
