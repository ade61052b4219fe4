/* The file that a case describes, put together in memory: segments of buffers, buffers of records.
 * Every header field has an automatic value that the case may override. */
#ifndef ETLHEAP_TOOLS_CASE_FILE_H
#define ETLHEAP_TOOLS_CASE_FILE_H

#include "case_bytes.h"
#include "case_line.h"
#include "etl_write.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How a buffer's records are stored. PACK_RAW sets the flag and packs nothing. */
enum pack_form { PACK_NONE, PACK_XPRESS, PACK_LZNT1, PACK_HUFFMAN, PACK_RAW };

enum { HEAD_FIELDS = 16 };

/* What a `buffer` line asked for. */
struct buffer_plan {
    unsigned cpu;
    bool eight_bit;      /* the old form of the processor number */
    bool may_stay_plain; /* when packing does not shrink */
    enum pack_form pack;
    bool has_stored;
    uint64_t stored; /* bytes in the file */
    struct bytes fill; /* pattern behind the records; empty: 0xFF */
    bool has[HEAD_FIELDS]; /* header fields with a value of their own */
    uint64_t value[HEAD_FIELDS];
};

/* A change to the bytes behind a buffer's header, after packing. */
struct corruption {
    size_t at; /* SIZE_MAX: at the end */
    size_t cut;
    struct bytes bytes;
};

struct case_buffer {
    struct buffer_plan plan;
    struct bytes body;
    struct corruption *corruptions;
    size_t corruption_count, corruption_room;
};

struct case_file {
    struct bytes out;
    struct etl_session session;
    struct case_clock clock;
    int64_t anchor; /* raw time of the last event that is no stack: what a stack belongs to */

    struct case_buffer open; /* the explicit buffer */
    bool is_open;
    struct case_buffer *cpus; /* automatic buffers, [cpu] */
    size_t cpus_room;
    enum pack_form automatic_pack;

    uint64_t next_sequence;
    uint32_t segment_buffers;
    size_t count_at;        /* where BuffersWritten of the segment goes in `out` */
    bool has_count;         /* it is given by the case, or there is no header */
    size_t *buffer_at;      /* places of all buffers in `out` */
    size_t buffer_count, buffer_room;
};

/* Largest file a case may make. */
#define CASE_FILE_BYTES ((size_t)1 << 30)

void case_file_init(struct case_file *f);
void case_file_finish(struct case_file *f);

/* Each directive takes its fields from `l` and reports what is wrong there. */
void case_session(struct case_file *f, struct case_line *l);
void case_buffer(struct case_file *f, struct case_line *l);
void case_corrupt(struct case_file *f, struct case_line *l);
void case_end_buffer(struct case_file *f, struct case_line *l);
void case_flush(struct case_file *f, struct case_line *l);

/* A record goes into the explicit buffer, else into the automatic one of `cpu`. */
void case_place_record(struct case_file *f, struct case_line *l, unsigned cpu,
                       const uint8_t *record, size_t length);
/* Bytes go into the explicit buffer, else straight into the file. */
struct bytes *case_place(struct case_file *f);

/* Closes everything that is open. */
void case_complete(struct case_file *f, struct case_line *l);

#endif
