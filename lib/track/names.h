/* Names as records hold them, kept in the model. */
#ifndef ETLHEAP_TRACK_NAMES_H
#define ETLHEAP_TRACK_NAMES_H

#include "decode/text.h"
#include "model/build.h"

/* The model's copy in UTF-8, at most LIMIT_NAME_BYTES of it, which is counted where it says less;
 * empty where the record holds none. NULL without memory. */
const char *name_in_model(struct eh_model *m, const struct raw_text *text);

#endif
