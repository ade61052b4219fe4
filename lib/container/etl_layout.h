/* Byte offsets and constants of the ETL container. Everything in a file is little-endian and is
 * read with lib/base/bytes.h or the cursor; no struct is ever laid over bytes.
 * Sections in brackets are those of FORMAT.md. */
#ifndef ETLHEAP_CONTAINER_ETL_LAYOUT_H
#define ETLHEAP_CONTAINER_ETL_LAYOUT_H

/* Buffer header [1.1] */
enum {
    BUF_SIZE = 0x00,         /* u32 bytes from this buffer to the next */
    BUF_SAVED_OFFSET = 0x04, /* u32 unreliable */
    BUF_CURRENT_OFFSET = 0x08,
    BUF_TIME = 0x10,     /* i64 time of flush, not of events */
    BUF_SEQUENCE = 0x18, /* i64 */
    BUF_CLOCK = 0x20,
    BUF_PROCESSOR = 0x28, /* u16 under BUF_FLAG_PROCESSOR_INDEX, else u8 */
    BUF_LOGGER_ID = 0x2A, /* u16 */
    BUF_STATE = 0x2C,     /* u32 */
    BUF_OFFSET = 0x30,    /* u32 valid bytes with header, expanded when compressed */
    BUF_FLAGS = 0x34,     /* u16 */
    BUF_TYPE = 0x36,      /* u16 */
    BUF_HEADER_BYTES = 0x48,
};

enum {
    BUF_FLAG_EVENTS_LOST = 0x02,
    BUF_FLAG_BUFFER_LOST = 0x04,
    BUF_FLAG_PROCESSOR_INDEX = 0x20,
    BUF_FLAG_COMPRESSED = 0x40,
    BUF_PROCESSOR_MASK = 0x07FF,
};

enum { BUF_TYPE_GENERIC = 0, BUF_TYPE_HEADER = 4, BUF_TYPE_MAX = 7 };

/* Record header kinds [4.1]; odd and even numbers are the 32- and 64-bit form */
enum {
    REC_SYSTEM32 = 1,
    REC_SYSTEM64 = 2,
    REC_COMPACT32 = 3,
    REC_COMPACT64 = 4,
    REC_FULL32 = 10,
    REC_INSTANCE32 = 11,
    REC_TIMED = 12,
    REC_ERROR = 13,
    REC_WNODE = 14,
    REC_MESSAGE = 15,
    REC_PERFINFO32 = 16,
    REC_PERFINFO64 = 17,
    REC_EVENT32 = 18,
    REC_EVENT64 = 19,
    REC_FULL64 = 20,
    REC_INSTANCE64 = 21,
};

/* The fourth byte of a record: what kind of first dword it is [4.1] */
enum { REC_MARK_TRACE = 0xC0, REC_MARK_WPP = 0x90, REC_MARK_ULONG_TIME = 0xB0 };

/* Records with a hook id: SYSTEM, COMPACT, PERFINFO [4.2, 4.3] */
enum {
    HOOK_VERSION = 0x00, /* u16 */
    HOOK_KIND = 0x02,    /* u8 */
    HOOK_MARK = 0x03,    /* u8 */
    HOOK_SIZE = 0x04,    /* u16 whole record */
    HOOK_ID = 0x06,      /* u16 group << 8 | type */
    SYSTEM_THREAD = 0x08,
    SYSTEM_PROCESS = 0x0C,
    SYSTEM_TIME = 0x10, /* i64 raw */
    SYSTEM_BYTES = 0x20,
    COMPACT_BYTES = 0x18,
    PERFINFO_TIME = 0x08,
    PERFINFO_BYTES = 0x10,
    PERFINFO_HAS_PEBS = 0x8000,      /* in the version: 8 more header bytes */
    PERFINFO_COUNTERS_MASK = 0x0700, /* in the version: so many more times 8 bytes */
    PERFINFO_COUNTERS_SHIFT = 8,
};

/* Records with a class or provider GUID: FULL, INSTANCE [4.4], EVENT_HEADER [4.5] */
enum {
    GUID_SIZE = 0x00, /* u16 whole record */
    GUID_KIND = 0x02,
    GUID_MARK = 0x03,
    FULL_OPCODE = 0x04,  /* u8 */
    FULL_VERSION = 0x06, /* u16 */
    GUID_THREAD = 0x08,
    GUID_PROCESS = 0x0C,
    GUID_TIME = 0x10,
    GUID_GUID = 0x18, /* 16 bytes */
    FULL_BYTES = 0x30,
    INSTANCE_BYTES = 0x48,
    EVENT_FLAGS = 0x04,   /* u16 */
    EVENT_ID = 0x28,      /* u16 */
    EVENT_VERSION = 0x2A, /* u8 */
    EVENT_OPCODE = 0x2D,  /* u8 */
    EVENT_BYTES = 0x50,
    EVENT_FLAG_EXTENDED = 0x0001,
};

/* Extended items of EVENT_HEADER records [4.5] */
enum {
    ITEM_SIZE = 0x00,    /* u16 whole item, multiple of 8 */
    ITEM_TYPE = 0x02,    /* u16 */
    ITEM_LINKAGE = 0x04, /* u16 bit 0: another item follows */
    ITEM_DATA_SIZE = 0x06,
    ITEM_HEADER_BYTES = 0x08,
    ITEM_STACK32 = 5,
    ITEM_STACK64 = 6,
};

/* WPP message [4.6] */
enum {
    WPP_SIZE = 0x00,
    WPP_FLAGS = 0x06, /* u16 */
    WPP_BYTES = 0x08,
    WPP_HAS_SEQUENCE = 0x01,
    WPP_HAS_GUID = 0x02,
    WPP_HAS_COMPONENT = 0x04,
    WPP_HAS_TIME = 0x08,
    WPP_HAS_PRECISE_TIME = 0x10,
};

/* TRACE_LOGFILE_HEADER, payload of the first record [3]; the two columns of the table */
enum {
    LOG_BUFFER_SIZE = 0x00,
    LOG_VERSION_MAJOR = 0x04,
    LOG_VERSION_MINOR = 0x05,
    LOG_BUILD = 0x08,
    LOG_PROCESSORS = 0x0C,
    LOG_END_TIME = 0x10,
    LOG_MODE = 0x20,
    LOG_BUFFERS_WRITTEN = 0x24,
    LOG_POINTER_SIZE = 0x2C,
    LOG_EVENTS_LOST = 0x30,
    LOG_CPU_MHZ = 0x34,
    LOG_TIMEZONE32 = 0x40,
    LOG_TIMEZONE64 = 0x48,
    LOG_BOOT_TIME32 = 0xF0, /* LOG_TAIL_ fields lie so far behind it */
    LOG_BOOT_TIME64 = 0xF8,
    LOG_TAIL_FREQUENCY = 0x08,
    LOG_TAIL_START_TIME = 0x10,
    LOG_TAIL_CLOCK = 0x18,
    LOG_TAIL_BUFFERS_LOST = 0x1C,
    LOG_TAIL_NAMES = 0x20,
};

enum { LOG_MODE_COMPRESSED = 0x04000000, LOG_MODE_NO_PER_PROCESSOR = 0x10000000 };

enum { CLOCK_QPC = 1, CLOCK_SYSTEM_TIME = 2, CLOCK_CPU_CYCLES = 3 };

/* Record steps are multiples of 8 [1.1] */
#define REC_STEP(size) (((size) + 7u) & ~7u)

#endif
