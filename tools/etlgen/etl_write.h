/* Writing well-formed .etl files: one open buffer per processor, flushed when full with the next
 * sequence number, as a logging session does. `case` bypasses this where it wants damage. */
#ifndef ETLHEAP_TOOLS_ETL_WRITE_H
#define ETLHEAP_TOOLS_ETL_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What the header record says (FORMAT.md 3). etl_session_default() fills in a plausible Windows 11
 * session: 64 KiB buffers, 10 MHz QPC, 8-byte pointers. */
struct etl_session {
    uint32_t buffer_size;  /* bytes, multiple of 8 */
    uint32_t processors;
    uint32_t pointer_size; /* 4 or 8 */
    uint8_t os_major, os_minor;
    uint32_t os_build;
    uint32_t mode;
    uint32_t clock_type; /* 1 QPC, 2 system time, 3 CPU cycles */
    int64_t frequency;
    uint32_t cpu_mhz;
    int64_t boot_time;  /* FILETIME */
    int64_t start_time; /* FILETIME */
    int64_t end_time;   /* FILETIME, 0: still running */
    int64_t raw_start;  /* raw time of the header record */
    int32_t timezone_bias_minutes;
    uint32_t events_lost, buffers_lost;
    const char *session_name; /* ASCII */
    const char *file_name;    /* ASCII */
    bool compress;            /* XPRESS the buffers */
};

void etl_session_default(struct etl_session *s);

struct etl_writer;

/* Writes the header buffer at once; it is patched with BuffersWritten by etl_writer_close when the
 * stream can seek. NULL when memory ran out. The stream stays the caller's. */
struct etl_writer *etl_writer_open(FILE *stream, const struct etl_session *session);

/* The same without a header buffer, for a stream whose session exists already: its buffers are
 * numbered from `sequence`. The session's fields other than buffer_size, frequency, clock_type and
 * compress do not matter. */
struct etl_writer *etl_writer_continue(FILE *stream, const struct etl_session *session,
                                       int64_t sequence);

/* `size` bytes of zeroed space for one record (header and payload, unpadded) in processor `cpu`'s
 * buffer, at most 65535. Valid until the next call. NULL when memory ran out or when the record is
 * larger than an empty buffer. */
uint8_t *etl_writer_record(struct etl_writer *w, unsigned cpu, size_t size);

/* Record headers: reserve a record, fill in its header, return the payload's place.
 * `kind` is REC_SYSTEM32/64, REC_COMPACT32/64 or REC_PERFINFO32/64 (container/etl_layout.h). */
uint8_t *etl_writer_hook(struct etl_writer *w, unsigned cpu, unsigned kind, unsigned version,
                         unsigned hook, uint32_t pid, uint32_t tid, int64_t raw, size_t payload);
/* REC_FULL32/64. `guid` is 16 bytes as on disk. */
uint8_t *etl_writer_full(struct etl_writer *w, unsigned cpu, unsigned kind, const uint8_t *guid,
                         unsigned opcode, unsigned version, uint32_t pid, uint32_t tid,
                         int64_t raw, size_t payload);

/* Flushes all buffers and patches the header. Returns 0, or -1 when a write failed (errno). */
int etl_writer_close(struct etl_writer *w);

/* Payload helpers: each writes and returns the place behind. `pointer_size` is 4 or 8. */
uint8_t *put_pointer(uint8_t *at, unsigned pointer_size, uint64_t value);
uint8_t *put_u32(uint8_t *at, uint32_t value);
uint8_t *put_utf16(uint8_t *at, const char *utf8); /* with its NUL */
size_t utf16_bytes(const char *utf8);              /* with its NUL */

#endif
