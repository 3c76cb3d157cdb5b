#include "net/trace.h"
#include "net/packet.h"
#include "base/fs.h"
#include "base/mem.h"
#include <string.h>
#include <sys/mman.h>
#include <fcntl.h>
#include <unistd.h>
#include <sys/stat.h>
const char *sl_linktype_name(uint16_t l){(void)l;return "Ethernet";}
const char *sl_packet_kind_name(enum sl_packet_kind k){static const char*const n[]={"ok","not-ip","cut-short","bad-header","fragment","bad-link"};return n[k];}
void sl_tcp_options(const struct sl_packet *p, struct sl_tcp_options *o){(void)p;memset(o,0,sizeof *o);o->window_scale=-1;}
