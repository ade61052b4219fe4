#include "io/zstd.h"

#include "base/bytes.h"
#include "io/os.h"

#include <errno.h>
#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

/* A frame's magic number and the byte that tells how long its header is. */
#define FRAME_START_BYTES 5

struct zstd_unpacker {
    ZSTD_DCtx *context;
    size_t wanted; /* bytes that complete the block being read */
};

struct zstd_packer {
    ZSTD_CCtx *context;
    size_t room;
    uint8_t bytes[];
};

bool zstd_is_frame(const uint8_t *bytes)
{
    uint32_t magic = load_u32(bytes);
    return magic == ZSTD_MAGICNUMBER ||
           (magic & ZSTD_MAGIC_SKIPPABLE_MASK) == ZSTD_MAGIC_SKIPPABLE_START;
}

struct zstd_unpacker *zstd_unpacker_create(void)
{
    struct zstd_unpacker *u = calloc(1, sizeof *u);
    if (!u)
        return NULL;
    u->context = ZSTD_createDCtx();
    if (!u->context || ZSTD_isError(ZSTD_DCtx_setParameter(u->context, ZSTD_d_windowLogMax,
                                                           ZSTD_WINDOW_LOG_MAX))) {
        zstd_unpacker_destroy(u);
        return NULL;
    }
    u->wanted = FRAME_START_BYTES;
    return u;
}

static struct zstd_step failed_step(size_t code)
{
    struct zstd_step step = {.outcome = ZSTD_BROKEN, .broken = ZSTD_getErrorName(code)};
    if (ZSTD_getErrorCode(code) == ZSTD_error_frameParameter_windowTooLarge)
        step.outcome = ZSTD_TOO_LARGE;
    else if (ZSTD_getErrorCode(code) == ZSTD_error_memory_allocation)
        step.outcome = ZSTD_NO_MEMORY;
    return step;
}

/* The library loses a call's whole output when the call fails. So it is never given more than the
 * block it asks for, and the blocks before a broken one are kept. */
struct zstd_step zstd_unpack(struct zstd_unpacker *u, const uint8_t *packed, size_t length,
                             uint8_t *into, size_t room)
{
    ZSTD_inBuffer in = {packed, length < u->wanted ? length : u->wanted, 0};
    ZSTD_outBuffer out = {into, room, 0};
    size_t rest = ZSTD_decompressStream(u->context, &out, &in);
    if (ZSTD_isError(rest))
        return failed_step(rest);
    u->wanted = rest ? rest : FRAME_START_BYTES;
    return (struct zstd_step){
        .outcome = rest ? ZSTD_MORE : ZSTD_FRAME_END,
        .taken = in.pos,
        .made = out.pos,
    };
}

void zstd_unpacker_destroy(struct zstd_unpacker *u)
{
    if (!u)
        return;
    ZSTD_freeDCtx(u->context);
    free(u);
}

struct zstd_packer *zstd_packer_create(int level)
{
    size_t room = ZSTD_CStreamOutSize();
    struct zstd_packer *p = calloc(1, sizeof *p + room);
    if (!p)
        return NULL;
    p->room = room;
    p->context = ZSTD_createCCtx();
    if (!p->context ||
        ZSTD_isError(ZSTD_CCtx_setParameter(p->context, ZSTD_c_compressionLevel, level)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(p->context, ZSTD_c_checksumFlag, 1))) {
        zstd_packer_destroy(p);
        return NULL;
    }
    return p;
}

int zstd_pack(struct zstd_packer *p, int fd, const void *bytes, size_t length, bool last,
              struct eh_error *e)
{
    ZSTD_inBuffer in = {bytes, length, 0};
    size_t rest;
    do {
        ZSTD_outBuffer out = {p->bytes, p->room, 0};
        rest = ZSTD_compressStream2(p->context, &out, &in, last ? ZSTD_e_end : ZSTD_e_continue);
        if (ZSTD_isError(rest))
            return eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "cannot compress: %s",
                           ZSTD_getErrorName(rest));
        if (os_write(fd, p->bytes, out.pos))
            return eh_fail(e, EH_ERR_IO, errno, EH_NO_OFFSET, "cannot write");
    } while (last ? rest != 0 : in.pos < in.size);
    return 0;
}

void zstd_packer_destroy(struct zstd_packer *p)
{
    if (!p)
        return;
    ZSTD_freeCCtx(p->context);
    free(p);
}
