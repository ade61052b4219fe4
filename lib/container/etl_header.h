/* The header record of a session (TRACE_LOGFILE_HEADER, FORMAT.md 3) and its clock. */
#ifndef ETLHEAP_CONTAINER_ETL_HEADER_H
#define ETLHEAP_CONTAINER_ETL_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ETL_NAME_BYTES 512

struct etl_header {
    int64_t raw_start;  /* raw time of the header record */
    int64_t start_time; /* FILETIME */
    int64_t end_time;   /* FILETIME, 0 while the session runs */
    int64_t boot_time;  /* FILETIME */
    int64_t frequency;  /* ticks per second after clock_assumed; of clock_type */
    uint32_t clock_type; /* CLOCK_QPC, ...; never 0 */
    bool clock_assumed; /* the header's frequency was no frequency: 10 MHz taken instead */
    uint32_t buffer_size; /* bytes, uncompressed */
    uint32_t buffers_written;
    uint32_t events_lost;
    uint32_t buffers_lost;
    uint32_t mode;
    uint32_t os_build;
    uint32_t processors;
    uint32_t pointer_size; /* as the header says: 4 or 8, or what the record's layout says */
    int32_t timezone_minutes; /* UTC = local + this many minutes */
    uint8_t os_major, os_minor;
    char session[ETL_NAME_BYTES]; /* UTF-8 */
};

/* Reads the header record from the valid bytes of a buffer (buffer header included). False when the
 * buffer does not begin with one. */
bool etl_header_parse(const uint8_t *buffer, size_t valid, struct etl_header *ret_header);

/* FILETIME (100 ns since 1601) as nanoseconds since 1970; at most LIMIT_TIME_NS from there. */
int64_t filetime_to_unix_ns(int64_t filetime);

/* Ticks to nanoseconds: floor(ticks * 10^9 / frequency), saturating at the ends of 64 bits.
 * frequency is 1 to ETL_FREQUENCY_MAX. */
#define ETL_FREQUENCY_MAX INT64_C(9000000000)
int64_t ticks_to_ns(int64_t ticks, int64_t frequency);

#endif
