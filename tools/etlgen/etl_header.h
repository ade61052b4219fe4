/* The fixed parts of an .etl file as bytes: buffer header and header record. Shared by the writer
 * of well-formed files (etl_write.h) and by `case`, which overwrites fields afterwards. */
#ifndef ETLHEAP_TOOLS_ETL_HEADER_H
#define ETLHEAP_TOOLS_ETL_HEADER_H

#include "etl_write.h"

enum { BUF_STATE_FLUSH = 3 };

/* Where the fields lie that only `case` sets (container/etl_layout.h names the others). */
enum {
    LOG_SUB_VERSION = 0x06,
    LOG_SUB_MINOR_VERSION = 0x07,
    LOG_TIMER_RESOLUTION = 0x18,
    LOG_MAXIMUM_FILE_SIZE = 0x1C,
    LOG_START_BUFFERS = 0x28,
};

struct etl_buffer_head {
    uint32_t size;   /* bytes to the next buffer */
    uint32_t offset; /* valid bytes with this header, expanded */
    uint32_t state;
    unsigned cpu;
    unsigned flags; /* without BUF_FLAG_PROCESSOR_INDEX the processor takes one byte */
    unsigned type;
    unsigned logger_id;
    int64_t time;
    int64_t sequence;
    uint64_t clock; /* clock type, frequency << 3 */
};

/* Writes BUF_HEADER_BYTES; bytes that no field covers become zero. */
void etl_put_buffer_head(uint8_t *at, const struct etl_buffer_head *head);

/* The clock word of a session's buffers. */
uint64_t etl_clock_word(const struct etl_session *s);

/* Size of the header record, unpadded. */
size_t etl_header_record_bytes(const struct etl_session *s);

/* Writes the header record into that many bytes, BuffersWritten as given. */
void etl_put_header_record(uint8_t *at, const struct etl_session *s, uint32_t buffers_written);

/* Offset of the BootTime field from the start of the header record's payload. */
unsigned etl_boot_time_offset(const struct etl_session *s);

#endif
