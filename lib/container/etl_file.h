/* One input as a container: where its buffers lie, which session and processor each belongs to.
 * FORMAT.md 1 and 2. Indexing reads buffer headers only; damage found there is told and counted. */
#ifndef ETLHEAP_CONTAINER_ETL_FILE_H
#define ETLHEAP_CONTAINER_ETL_FILE_H

#include "base/error.h"
#include "base/notices.h"
#include "container/etl_header.h"
#include "io/source.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the container counts over a run (semantics 3). */
struct etl_counts {
    uint64_t events;
    uint64_t buffers_read;
    uint64_t buffers_damaged;
    uint64_t bytes_skipped;
    uint64_t time_steps_back;
    uint64_t events_lost;
    uint64_t buffers_lost;
    uint64_t inputs_truncated;
    uint64_t sessions;
};

struct etl_buffer {
    int64_t offset;   /* in the input */
    int64_t sequence; /* as in the header */
    uint32_t stored;  /* bytes in the input, buffer header included */
    uint32_t valid;   /* bytes that records may fill, buffer header included; expanded if packed */
    uint16_t cpu;
    uint16_t segment; /* index into etl_file.segments */
    uint8_t state;    /* low byte of State: a hint at the compression */
    bool compressed;
    bool cut;         /* the input ends inside this buffer */
};

/* A session: from one header buffer to the next (append mode makes several in one file). */
struct etl_segment {
    struct etl_header header;
    int64_t offset; /* of its header buffer */
};

struct etl_file {
    const char *path; /* borrowed from the caller of etl_file_open */
    struct source *source;
    struct etl_buffer *buffers; /* by segment, processor, order in the stream */
    size_t buffer_count, buffer_room;
    struct etl_segment *segments;
    size_t segment_count, segment_room;
    bool damaged; /* a loss was told while indexing */
};

/* Opens and indexes `path`. On success the caller ends with etl_file_close(). Fails with
 * EH_ERR_FORMAT when the input is no ETL file. `spooled` is source_open's. */
int etl_file_open(struct etl_file *file, const char *path, struct etl_counts *counts,
                  const struct notices *notices, int (*spooled)(void *context, uint64_t bytes),
                  void *context, struct eh_error *e);
void etl_file_close(struct etl_file *file);

/* Reads the valid bytes of a buffer, expanding them if they are packed. *bytes (`room` bytes, may
 * grow) receives them with the buffer header in front; `packed` is scratch of the same kind.
 * Returns the valid length, >= BUF_HEADER_BYTES; or 0 when the buffer's stream is broken; or -1 on
 * a read error, without memory, or when the input has shrunk since it was opened. */
int64_t etl_file_load(struct etl_file *file, const struct etl_buffer *buffer, uint8_t **bytes,
                      size_t *room, uint8_t **packed, size_t *packed_room, struct eh_error *e);

/* Reads `length` stored bytes of a buffer, from `from` on. 0, or -1 as above. */
int etl_file_read(struct etl_file *file, const struct etl_buffer *buffer, uint32_t from,
                  uint8_t *into, size_t length, struct eh_error *e);

#endif
