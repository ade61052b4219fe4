#include "decode/image.h"

#include <string.h>

bool image_decode(const struct record *r, struct image_record *ret_image)
{
    struct cursor c = cur_over(r->payload, r->payload_size);
    struct image_record i = {
        .base = cur_pointer(&c, r->pointer_size),
        .size = cur_pointer(&c, r->pointer_size),
    };
    /* Version 0 names no process: the record's own is meant. */
    i.pid = r->version >= 1 ? cur_u32(&c) : r->process_id;
    if (r->version >= 2) {
        cur_u32(&c); /* checksum */
        i.timestamp = cur_u32(&c);
        cur_u32(&c);                    /* signature level */
        cur_pointer(&c, r->pointer_size); /* default base */
        cur_take(&c, 16);               /* reserved */
    }
    if (c.short_read)
        return false;
    i.path = take_utf16(&c);
    *ret_image = i;
    return true;
}

bool pdb_decode(const struct record *r, struct pdb_record *ret_pdb)
{
    struct cursor c = cur_over(r->payload, r->payload_size);
    struct pdb_record p = {
        .base = cur_pointer(&c, r->pointer_size),
        .pid = cur_u32(&c),
    };
    const uint8_t *guid = cur_take(&c, 16);
    const uint8_t *age = cur_take(&c, 4);
    if (!age)
        return false;
    guid_print_order(guid, p.build_id);
    memcpy(p.build_id + 16, age, 4);
    p.name = take_ansi(&c);
    *ret_pdb = p;
    return true;
}

bool volume_decode(const struct record *r, struct volume_record *ret_volume)
{
    struct cursor c = cur_over(r->payload, r->payload_size);
    struct volume_record v;
    v.nt_path = take_utf16(&c);
    v.dos_path = take_utf16(&c);
    if (!v.nt_path.length || !v.dos_path.length)
        return false;
    *ret_volume = v;
    return true;
}
