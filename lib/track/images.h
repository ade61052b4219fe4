/* Which image lies at an address of a process at a time. Semantics 2 and 5, decode/FORMAT.md D.4.
 *
 * The first pass feeds every image, PDB and volume record in merged order; images_settle() then
 * makes the model's images: rundown records, PDB identities and drive letters count however late
 * they came. The second pass only looks up. */
#ifndef ETLHEAP_TRACK_IMAGES_H
#define ETLHEAP_TRACK_IMAGES_H

#include "base/error.h"
#include "decode/image.h"
#include "model/build.h"

struct images;

/* NULL without memory. The model is borrowed. */
struct images *images_create(struct eh_model *model);
void images_destroy(struct images *x); /* accepts NULL */

/* Where an image lives: in a process instance, or in a boot's kernel and so in every process. */
struct image_space {
    bool kernel;
    uint32_t id; /* process instance, or boot */
};

/* Moments are counted in image records: both passes meet them in the same order, so that no tie in
 * time can tell an event the wrong module. 0, or -1 with `e` filled. */
int images_record(struct images *x, struct image_space space, unsigned type,
                  const struct image_record *i, struct eh_error *e);
int images_pdb(struct images *x, struct image_space space, const struct pdb_record *p,
               struct eh_error *e);
int images_volume(struct images *x, const struct volume_record *v, struct eh_error *e);
int images_settle(struct images *x, struct eh_error *e);

/* After images_settle(): the frame of an address in a process instance of `boot`, after the first
 * `moment` image records of the trace. */
struct eh_frame images_frame(const struct images *x, uint32_t process, uint32_t boot,
                             uint64_t moment, uint64_t address, bool kernel_address);

#endif
