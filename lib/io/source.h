/* Bytes of one input by offset. Whatever comes in (file, pipe, zstd) is a file by the time it is
 * read: pipes and packed inputs are spooled to an unlinked temporary file. */
#ifndef ETLHEAP_IO_SOURCE_H
#define ETLHEAP_IO_SOURCE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct source;

/* Opens `path` for reading; "-" is standard input. A zstd stream (known by its magic number, also
 * several frames in a row) is unpacked. `spooled` (may be NULL) is called with the bytes spooled so
 * far; non-zero stops with EH_ERR_IO, sys EINTR. A directory is refused.
 * A packed stream that is cut or broken: what could be unpacked is kept, and source_damage() says
 * where it ended. Returns 0 or -1 with `e` filled (its text begins without the path). */
int source_open(struct source **ret_source, const char *path,
                int (*spooled)(void *context, uint64_t bytes), void *context, struct eh_error *e);

/* Bytes that can be read; for a file its size when it was opened. */
int64_t source_size(const struct source *s);

/* Reads up to `length` bytes at `offset` (>= 0) and returns how many: fewer only at the end of the
 * input. -1 with `e` filled when reading fails. Repeats interrupted and short reads. */
int64_t source_read(struct source *s, int64_t offset, uint8_t *into, size_t length,
                    struct eh_error *e);

/* NULL, or what was wrong with the packed stream: UTF-8, one line, owned by the source.
 * *ret_offset is the offset in the packed input. */
const char *source_damage(const struct source *s, int64_t *ret_offset);

/* Identity of the underlying file, to refuse an output that is also an input. False for pipes. */
bool source_same_file(const struct source *s, const char *path);

/* Accepts NULL. */
void source_close(struct source *s);

#endif
