#pragma once
#include <stdint.h>
#include <stddef.h>
struct sl_l7 { const char *app; char sni[256], alpn[64], ja3[1024], ja3_md5[33], dns_name[256], http_host[256], http_method[16], http_user_agent[128]; uint16_t tls_version; int32_t dns_qtype, dns_rcode; uint16_t http_status; uint32_t quic_version; };
enum sl_l7_result { SL_L7_NOTHING, SL_L7_NEED_MORE, SL_L7_DONE };
static inline enum sl_l7_result sl_dissect_payload(uint8_t proto, uint16_t a, uint16_t b, int d, const uint8_t *p, uint32_t n, struct sl_l7 *f){(void)proto;(void)a;(void)b;(void)d;(void)p;(void)n;(void)f; return SL_L7_NOTHING;}
