#pragma once
#include "net/packet.h"
#include <stdlib.h>
struct sl_fragments {int x;};
static inline struct sl_fragments *sl_fragments_new(void){return calloc(1,4);}
static inline void sl_fragments_free(struct sl_fragments*f){free(f);}
static inline bool sl_fragments_resolve(struct sl_fragments*f, struct sl_packet*p){(void)f;(void)p;return false;}
