/* What a Chrome trace says of itself: tool, inputs, time of the start, and the counts of the run. */
#ifndef ETLHEAP_CONVERTERS_CHROME_OTHER_DATA_H
#define ETLHEAP_CONVERTERS_CHROME_OTHER_DATA_H

#include "writer.h"

#include <stdint.h>

/* `"key":{...}`, one entry per line. `base_ns` is the time of ts 0, `bucket_ns` the resolution of
 * the counters. 0, or -1 with `e` filled. */
int chrome_put_other_data(const struct writer_context *context, const char *key, int64_t base_ns,
                          int64_t bucket_ns, const struct eh_stats *stats, struct eh_error *e);

/* At least as many bytes as any run on the trace writes so. */
uint64_t chrome_other_data_bytes(const struct writer_context *context);

#endif
