/* What a trace consists of: its sessions, and its records by kind. Counted from headers alone, so
 * it says something of every trace, also of one without a single heap event. */
#ifndef ETLHEAP_MODEL_CENSUS_H
#define ETLHEAP_MODEL_CENSUS_H

#include "model/event.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How much of a trace is counted. */
enum eh_census_extent {
    EH_CENSUS_NONE,
    EH_CENSUS_WHOLE,
    EH_CENSUS_SAMPLE, /* all buffer headers, the records of some buffers, no rows: of a large file
                       * the essentials at once */
};

/* What a record is to this library. */
enum eh_role {
    EH_ROLE_OTHER,
    EH_ROLE_HEAP,       /* hook group 0x10 */
    EH_ROLE_HEAP_CLASS, /* the heap GUID in a FULL, INSTANCE or EVENT_HEADER record */
    EH_ROLE_PROCESS,
    EH_ROLE_THREAD, /* also its name */
    EH_ROLE_SWITCH,
    EH_ROLE_IMAGE,
    EH_ROLE_PDB, /* the PDB identity of an image, which merging adds */
    EH_ROLE_VOLUME,
    EH_ROLE_STACK,
    EH_ROLE_STACK_KEY,
    EH_ROLE_STACK_DEFINITION,
    EH_ROLES
};

/* eh_record_kind.header: the number of a trace header's kind (container/FORMAT.md 4.1), or one of
 * these. */
#define EH_HEADER_WPP        0x190u
#define EH_HEADER_ULONG_TIME 0x1B0u

#define EH_PAYLOAD_SIZES 8

/* Records that agree in form of header, class or hook id, and version. */
struct eh_record_kind {
    uint64_t count;
    uint64_t bytes;    /* of whole records, unpadded */
    uint32_t provider; /* index into eh_census.providers; EH_NO_ID for records with a hook id and
                        * for those that name none */
    uint16_t header;
    uint16_t hook;    /* with has_hook: group << 8 | type; else the opcode */
    uint16_t event;   /* EVENT_HEADER: Id */
    uint16_t version; /* as the header has it, with its extension bits */
    bool has_hook;
    uint8_t role;      /* enum eh_role */
    uint8_t heap_kind; /* enum eh_kind of the two heap roles */
    uint8_t size_count;
    /* Sizes of payloads: the first few that occurred, in order of size; the others in one number.
     */
    struct {
        uint32_t bytes;
        uint64_t count;
    } sizes[EH_PAYLOAD_SIZES];
    uint64_t other_sizes;
    uint32_t least_size, greatest_size; /* of all */
};

/* A class or provider. */
struct eh_provider {
    uint8_t guid[16]; /* in printed order */
    uint64_t count;   /* records */
};

/* A session: one header buffer and the buffers behind it. */
struct eh_session {
    size_t input;     /* index of the input */
    int64_t offset;   /* of the header buffer in it */
    const char *name; /* UTF-8, may be empty */
    int64_t start_unix_ns, end_unix_ns, boot_unix_ns;
    bool has_end, has_boot; /* without an end: still running, or never finished */
    uint8_t os_major, os_minor;
    uint32_t os_build;
    uint32_t pointer_size; /* bytes */
    uint32_t processors;   /* as the header says */
    uint32_t clock_type;   /* 1 performance counter, 2 system time, 3 processor cycles */
    int64_t frequency;     /* ticks per second */
    bool clock_assumed;    /* the header's frequency was none */
    uint32_t mode;
    uint32_t buffer_size; /* bytes */
    uint32_t buffers_written;
    uint32_t events_lost, buffers_lost;
    uint64_t buffers;         /* found */
    uint64_t processors_seen; /* that have buffers */
    uint64_t compressed;      /* buffers; their stored and expanded bytes: */
    uint64_t compressed_bytes, expanded_bytes;
    uint64_t states[8];    /* compressed buffers by their State, 7 and above in the last */
    uint64_t stored_bytes; /* of all buffers */
    int64_t first_sequence, last_sequence; /* lowest and highest number */
    bool same_axis;   /* boot, clock and frequency are those of the first session */
    int64_t drift_ns; /* with same_axis: distance from the first session's start by the raw clock
                       * minus that by wall time */
};

/* eh_session.mode */
#define EH_MODE_CIRCULAR  0x00000002u
#define EH_MODE_APPEND    0x00000004u
#define EH_MODE_NEWFILE   0x00000008u
#define EH_MODE_BUFFERING 0x00000400u
#define EH_MODE_PRIVATE   0x00000800u
#define EH_MODE_RELOG     0x00010000u /* rewritten: merged or converted */
#define EH_MODE_SYSTEM    0x02000000u /* a session for kernel providers */
#define EH_MODE_MIXED     0x10000000u /* processors share buffers */

struct eh_census {
    enum eh_census_extent extent;
    const struct eh_session *sessions; /* in the order of inputs and of their place in them */
    size_t session_count;
    const struct eh_record_kind *kinds; /* hook ids first, then classes */
    size_t kind_count;
    const struct eh_provider *providers;
    size_t provider_count;
    uint64_t events;                   /* records counted */
    uint64_t other_events;             /* those of kinds beyond LIMIT_RECORD_KINDS */
    uint64_t buffers, bytes;           /* in all inputs */
    uint64_t buffers_read, bytes_read; /* whose records were counted */
};

/* Whether the kind of header is that of manifest providers: EVENT_HEADER. */
static inline bool eh_header_is_event(unsigned header)
{
    return header == 18 || header == 19;
}

/* "SYSTEM64"; NULL for kinds of headers nobody documents. Static memory. */
const char *eh_header_name(unsigned header);

#endif
