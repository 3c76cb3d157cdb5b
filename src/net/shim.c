#include "net/trace.h"
#include "net/packet.h"
#include "base/fs.h"
#include "base/mem.h"
#include <string.h>
#include <sys/mman.h>
#include <fcntl.h>
#include <unistd.h>
#include <sys/stat.h>
struct sl_trace { uint8_t *b; size_t len, at; int64_t unit; uint32_t link; uint64_t n; struct sl_trace_interface ifc; };
struct sl_trace *sl_trace_open(const char *path, struct sl_error *err){ struct sl_trace *t=sl_alloc(sizeof *t); int fd=open(path,O_RDONLY); struct stat st; if(fd<0||fstat(fd,&st)){sl_fail(err,SL_EINPUT,"x");return NULL;} t->len=(size_t)st.st_size; t->b=mmap(NULL,t->len,PROT_READ,MAP_PRIVATE|MAP_POPULATE,fd,0); close(fd); uint32_t m; memcpy(&m,t->b,4); t->unit=m==0xa1b23c4d?1:1000; memcpy(&t->link,t->b+20,4); t->at=24; t->ifc=(struct sl_trace_interface){.name="",.dropped=UINT64_MAX}; return t;}
bool sl_trace_read(struct sl_trace *t, struct sl_trace_packet *out, size_t max, size_t *n, struct sl_error *err){(void)err; *n=0; while(*n<max && t->at+16<=t->len){uint32_t h[4]; memcpy(h,t->b+t->at,16); if(h[2]>t->len-t->at-16)break; out[*n]=(struct sl_trace_packet){.ts_ns=h[0]*INT64_C(1000000000)+h[1]*t->unit,.data=t->b+t->at+16,.captured=h[2],.wire_bytes=h[3],.linktype=(uint16_t)t->link}; t->at+=16+h[2]; __builtin_prefetch(t->b+t->at+256); ++*n; t->n++;} return true;}
const struct sl_trace_interface *sl_trace_interface(const struct sl_trace *t, uint16_t i){(void)i;return &t->ifc;}
void sl_trace_info(const struct sl_trace *t, struct sl_trace_info *o){*o=(struct sl_trace_info){.format="pcap",.compression="",.packets=t->n,.n_interfaces=1};}
const char *sl_trace_damage(const struct sl_trace *t){(void)t;return NULL;}
void sl_trace_close(struct sl_trace *t){if(t){munmap(t->b,t->len);free(t);}}
const char *sl_linktype_name(uint16_t l){(void)l;return "Ethernet";}
const char *sl_packet_kind_name(enum sl_packet_kind k){static const char*const n[]={"ok","not-ip","cut-short","bad-header","fragment","bad-link"};return n[k];}
void sl_tcp_options(const struct sl_packet *p, struct sl_tcp_options *o){(void)p;memset(o,0,sizeof *o);o->window_scale=-1;}
