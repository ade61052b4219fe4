/* Image (module), PDB identity and volume records. decode/FORMAT.md D.4, container/FORMAT.md 6.
 * Each function returns false when the payload is too short; nothing is set then. */
#ifndef ETLHEAP_DECODE_IMAGE_H
#define ETLHEAP_DECODE_IMAGE_H

#include "container/etl_record.h"
#include "decode/text.h"

struct image_record {
    uint64_t base;
    uint64_t size; /* bytes */
    uint32_t pid;
    uint32_t timestamp; /* of the image's header, 0 before version 2 */
    struct raw_text path;
};

/* Images of these pids are the kernel's and lie in every process. */
static inline bool is_kernel_pid(uint32_t pid)
{
    return pid == 0 || pid == 4;
}

bool image_decode(const struct record *r, struct image_record *ret_image);

struct pdb_record {
    uint64_t base;
    uint32_t pid;
    uint8_t build_id[20]; /* GUID in printed order, age little-endian */
    struct raw_text name;
};
bool pdb_decode(const struct record *r, struct pdb_record *ret_pdb);

struct volume_record {
    struct raw_text nt_path;  /* \Device\HarddiskVolume3 */
    struct raw_text dos_path; /* C: */
};
bool volume_decode(const struct record *r, struct volume_record *ret_volume);

#endif
