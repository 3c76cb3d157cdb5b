// SPDX-License-Identifier: Apache-2.0
/*
 * Flow tables as sample sets: one row in the form of each tool, with numbers that can be read off
 * the text, and what is said of rows that cannot be read.
 */
#include "base/str.h"
#include "measure/samples.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// cmocka wants the headers above first.
#include <cmocka.h>

static bool parse(const char *table, const char *const *columns, struct sl_sample_set *set,
                  struct sl_error *err)
{
    struct sl_samples_options o = {.columns = columns, .max_rows = 100};
    char *text = strdup(table);
    bool ok = sl_samples_table("t.csv", text, strlen(text), &o, set, err);
    free(text);
    return ok;
}

static struct sl_sample_set good(const char *table, const char *const *columns)
{
    struct sl_sample_set set = {0};
    struct sl_error err = {0};
    if (!parse(table, columns, &set, &err))
        fail_msg("%s", err.msg);
    return set;
}

static void bad(const char *table, const char *const *columns, enum sl_code code, int line, int col,
                const char *message)
{
    struct sl_sample_set set = {0};
    struct sl_error err = {0};
    assert_false(parse(table, columns, &set, &err));
    assert_string_equal(err.msg, message);
    assert_int_equal(err.code, code);
    assert_int_equal(err.line, line);
    assert_int_equal(err.col, col);
    assert_string_equal(err.file, line ? "t.csv" : "");
    assert_int_equal(set.flows.len, 0);
}

static const char *label(const struct sl_sample_set *s, size_t i)
{
    uint16_t n = s->flows.at[i].label;
    return n == SL_SAMPLE_NONE16 ? "" : s->labels.at[n];
}

static const char *cls(const struct sl_sample_set *s, size_t i)
{
    return s->classes.at[s->flows.at[i].cls];
}

static void close_to(double got, double want)
{
    assert_true(fabs(got - want) < 1e-9);
}

// The flow that most tables below hold: client port 50000 asks port 5432 over TCP; 7 packets of 900
// bytes there, 5 of 4000 back, in 1.5 s.
static void is_the_flow(const struct sl_sample_flow *f, bool directions)
{
    assert_int_equal(f->sport, 50000);
    assert_int_equal(f->dport, 5432);
    assert_int_equal(f->proto, 6);
    assert_int_equal(f->packets[0], directions ? 7 : 12);
    assert_int_equal(f->packets[1], directions ? 5 : 0);
    assert_int_equal(f->bytes[0], directions ? 900 : 4900);
    assert_int_equal(f->bytes[1], directions ? 4000 : 0);
    assert_int_equal(f->duration_ns, 1500000000);
}

static void our_own_table_is_read(void **state)
{
    (void)state;
    struct sl_sample_set s =
        good("src_ip,src_port,dst_ip,dst_port,protocol,start_ns,duration_us,fwd_packets,"
             "bwd_packets,fwd_bytes,bwd_bytes,label_iana,label_port_class\n"
             "10.0.0.1,50000,10.0.0.2,5432,6,1700000000123456789,1500000,7,5,900,4000,postgresql,"
             "database\n"
             "10.0.0.1,1,10.0.0.3,2,17,,0,1,0,60,0,,\n",
             NULL);
    assert_int_equal(s.flows.len, 2);
    is_the_flow(&s.flows.at[0], true);
    assert_true(s.flows.at[0].start_ns == INT64_C(1700000000123456789)); // to the last digit
    assert_int_equal(s.flows.at[0].src, s.flows.at[1].src);
    assert_int_not_equal(s.flows.at[0].dst, s.flows.at[1].dst);
    close_to(s.flows.at[0].mean_gap_s, 1.5 / 11); // 12 packets
    assert_string_equal(label(&s, 0), "postgresql");
    assert_string_equal(cls(&s, 0), "database");
    assert_true(s.flows.at[1].start_ns == SL_SAMPLE_NO_TIME);
    assert_string_equal(label(&s, 1), "");
    assert_true(isnan(s.flows.at[1].mean_gap_s)); // one packet has no gap
    assert_null(s.bytes_are);
    assert_true((s.known & SL_KNOW_DIRECTIONS) && (s.known & SL_KNOW_TIMES) &&
                !(s.known & SL_KNOW_PACKETS));
    sl_sample_set_done(&s);
}

static void the_truth_stands_before_the_port_name(void **state)
{
    (void)state;
    struct sl_sample_set s = good("src_ip,dst_ip,label_iana,label_port_class,label_service,"
                                  "label_class\n1.1.1.1,2.2.2.2,eforward,unknown,zk,database\n",
                                  NULL);
    assert_string_equal(label(&s, 0), "zk");
    assert_string_equal(cls(&s, 0), "database");
    sl_sample_set_done(&s);
}

static void cicflowmeters_table_is_read(void **state)
{
    (void)state;
    struct sl_sample_set s =
        good("Flow ID,Src IP,Src Port,Dst IP,Dst Port,Protocol,Timestamp,Flow Duration,"
             "Total Fwd Packet,Total Bwd packets,Total Length of Fwd Packet,"
             "Total Length of Bwd Packet,Flow IAT Mean,Label\n"
             "10.0.0.1-10.0.0.2-50000-5432-6,10.0.0.1,50000,10.0.0.2,5432,6,"
             "14/11/2023 10:13:20 PM,1500000,7,5,900.0,4000.0,136363.6363636,NeedManualLabel\n",
             NULL);
    is_the_flow(&s.flows.at[0], true);
    close_to(s.flows.at[0].mean_gap_s, 0.1363636363636); // as it says, in microseconds
    assert_string_equal(label(&s, 0), "NeedManualLabel");
    assert_string_equal(cls(&s, 0), "database"); // by the port
    assert_true(s.known & SL_KNOW_TIMES);
    assert_true(s.flows.at[0].start_ns == INT64_C(1700000000000000000)); // 22:13:20 UTC
    assert_non_null(strstr(s.bytes_are, "Total Length of Fwd Packet"));
    sl_sample_set_done(&s);
}

// As published: blanks before the names, plural names, a clock without seconds or half of the day,
// rows of commas, a duration of -1.
static void cic_ids2017_is_read(void **state)
{
    (void)state;
    struct sl_sample_set s =
        good("Flow ID, Source IP, Source Port, Destination IP, Destination Port, Protocol, "
             "Timestamp, Flow Duration, Total Fwd Packets, Total Backward Packets,Total Length of "
             "Fwd Packets, Total Length of Bwd Packets, Flow IAT Mean, Label\n"
             "f,10.0.0.1,50000,10.0.0.2,5432,6,3/7/2017 8:55,1500000,7,5,900,4000.0,136363.6,"
             "BENIGN\n"
             ",,,,,,,,,,,,,\n"
             "f,10.0.0.1,50000,10.0.0.2,5432,6,03/07/2017 08:55:58,-1,7,5,900,4000,1,DoS Hulk\n",
             NULL);
    assert_int_equal(s.flows.len, 2);
    is_the_flow(&s.flows.at[0], true);
    assert_true(s.flows.at[0].start_ns == INT64_C(1499072100000000000)); // date -u -d
    assert_true(s.flows.at[1].start_ns == INT64_C(1499072158000000000));
    assert_true(s.flows.at[1].duration_ns == 0);
    assert_string_equal(label(&s, 1), "DoS Hulk");
    sl_sample_set_done(&s);
}

// Other names, no addresses, the header once more in the middle.
static void cse_cic_ids2018_is_read(void **state)
{
    (void)state;
    static const char table[] =
        "Dst Port,Protocol,Timestamp,Flow Duration,Tot Fwd Pkts,Tot Bwd Pkts,TotLen Fwd Pkts,"
        "TotLen Bwd Pkts,Flow IAT Mean,Label\n"
        "5432,6,14/02/2018 08:31:01,1500000,7,5,900,4000,136363.6,Benign\n"
        "Dst Port,Protocol,Timestamp,Flow Duration,Tot Fwd Pkts,Tot Bwd Pkts,TotLen Fwd Pkts,"
        "TotLen Bwd Pkts,Flow IAT Mean,Label\n"
        "22,6,14/02/2018 08:33:50,1500000,7,5,900,4000,136363.6,SSH-Bruteforce\n";
    struct sl_sample_set s = good(table, NULL);
    assert_int_equal(s.flows.len, 2);
    assert_int_equal(s.flows.at[0].dport, 5432);
    assert_int_equal(s.flows.at[0].packets[1], 5);
    assert_int_equal(s.flows.at[0].bytes[1], 4000);
    assert_true(s.flows.at[0].start_ns == INT64_C(1518597061000000000)); // date -u -d
    assert_string_equal(label(&s, 1), "SSH-Bruteforce");
    sl_sample_set_done(&s);
}

// Argus's binetflow: totals of both directions; the source's bytes alone are not the flow's.
static void ctu_13_is_read(void **state)
{
    (void)state;
    struct sl_sample_set s = good(
        "StartTime,Dur,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,State,sTos,dTos,TotPkts,TotBytes,"
        "SrcBytes,Label\n"
        "2011/08/10 09:46:53.047277,1.5,tcp,10.0.0.1,50000,   ->,10.0.0.2,5432,FSPA_FSPA,0,0,12,"
        "4900,900,flow=Background\n"
        "2011/08/10 09:46:54.000000,0.0,icmp,10.0.0.1,0x0303,  <->,10.0.0.2,,URP,0,,1,60,60,x\n",
        NULL);
    is_the_flow(&s.flows.at[0], false);
    assert_true(s.flows.at[0].start_ns == INT64_C(1312969613047277000)); // date -u -d
    assert_string_equal(label(&s, 0), "flow=Background");
    assert_false(s.known & SL_KNOW_DIRECTIONS);
    assert_int_equal(s.flows.at[1].sport, 0x0303);
    sl_sample_set_done(&s);
}

// NetFlow: nfdump's CSV, and CIDDS-001's with blanks and abbreviated bytes.
static void nfdump_and_cidds_are_read(void **state)
{
    (void)state;
    struct sl_sample_set s =
        good("ts,te,td,sa,da,sp,dp,pr,flg,ipkt,ibyt,opkt,obyt\n"
             "2016-03-18 10:47:52,2016-03-18 10:47:53,1.5,10.0.0.1,10.0.0.2,50000,5432,TCP,.A.,7,"
             "900,5,4000\n",
             NULL);
    is_the_flow(&s.flows.at[0], true);
    assert_true(s.flows.at[0].start_ns == INT64_C(1458298072000000000)); // date -u -d
    sl_sample_set_done(&s);
    s = good("Date first seen,Duration,Proto,Src IP Addr,Src Pt,Dst IP Addr,Dst Pt,Packets,Bytes\n"
             "2017-03-15 00:01:16.632,0.000,TCP  ,192.168.100.5,445,192.168.220.16,58844,    1,"
             "  2.1 M\n",
             NULL);
    assert_true(s.flows.at[0].start_ns == INT64_C(1489536076632000000)); // date -u -d
    assert_int_equal(s.flows.at[0].bytes[0], 2100000);
    sl_sample_set_done(&s);
}

static void a_time_that_is_none_is_named(void **state)
{
    (void)state;
    static const char *const times[] = {"31/13/2017 8:55",      "3/7/2017",    "3/7/2017 8:55:61",
                                        "3/7/2017 13:00:00 PM", "3/7/17 8:55", "8:55",
                                        "3/7/2017 8:55 x"};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        char *table = sl_format("Timestamp,Src IP\n%s,10.0.0.1\n", times[i]);
        char *message = sl_format("'%s' in column 'Timestamp' is not a time", times[i]);
        bad(table, NULL, SL_EINPUT, 2, 1, message);
        free(table);
        free(message);
    }
}

static void zeeks_conn_log_is_read(void **state)
{
    (void)state;
    struct sl_sample_set s =
        good("#separator \\x09\n#set_separator\t,\n#path\tconn\n"
             "#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tduration\t"
             "orig_bytes\tresp_bytes\torig_pkts\tresp_pkts\n"
             "#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tinterval\tcount\tcount\tcount\t"
             "count\n"
             "1700000000.250000\tC1\t10.0.0.1\t50000\tfe80::2\t5432\ttcp\t1.5\t900\t4000\t7\t5\n"
             "1700000001.000000\tC2\t10.0.0.1\t3\t10.0.0.9\t3\ticmp\t-\t-\t-\t1\t0\n"
             "#close\t2023-11-14-22-13-30\n",
             NULL);
    assert_int_equal(s.flows.len, 2);
    is_the_flow(&s.flows.at[0], true);
    // seconds, by its size; a double has steps of 256 ns there
    assert_true(llabs(s.flows.at[0].start_ns - INT64_C(1700000000250000000)) <= 256);
    assert_int_equal(s.flows.at[1].proto, 1);
    assert_int_equal(s.flows.at[1].bytes[0], 0);
    sl_sample_set_done(&s);
}

static void netflow_as_in_ugr16_has_no_directions(void **state)
{
    (void)state;
    // Addresses as numbers, microseconds, a duration in seconds: as the set is handed around.
    struct sl_sample_set s = good("srcip,dstip,srcport,dstport,proto,ts,td,pkt,byt,type\n"
                                  "167772161,167772162,50000,5432,TCP,1458298072364000.0,1.5,12,"
                                  "4900,background\n",
                                  NULL);
    is_the_flow(&s.flows.at[0], false);
    assert_true(s.flows.at[0].start_ns == INT64_C(1458298072364000000));
    assert_string_equal(label(&s, 0), "background");
    assert_false(s.known & SL_KNOW_DIRECTIONS);
    assert_true(s.known & SL_KNOW_ADDRESSES);
    sl_sample_set_done(&s);
}

static void argus_as_in_unsw_nb15_is_read(void **state)
{
    (void)state;
    struct sl_sample_set s =
        good("srcip,sport,dstip,dsport,proto,state,dur,sbytes,dbytes,Spkts,Dpkts,Stime,attack_cat\n"
             "59.166.0.0,50000,149.171.126.6,5432,tcp,FIN,1.5,900,4000,7,5,1421927414,Exploits\n"
             "59.166.0.0,0,149.171.126.6,0,unas,INT,0,10,0,1,0,1421927415,\n",
             NULL);
    is_the_flow(&s.flows.at[0], true);
    assert_true(s.flows.at[0].start_ns == INT64_C(1421927414000000000));
    assert_string_equal(label(&s, 0), "Exploits");
    assert_int_equal(s.flows.at[1].proto, 255); // some other protocol
    sl_sample_set_done(&s);
}

static void argus_ra_prints_other_names(void **state)
{
    (void)state;
    struct sl_sample_set s = good("SrcAddr,Sport,DstAddr,Dport,Proto,Dur,SrcPkts,DstPkts,SrcBytes,"
                                  "DstBytes\n10.0.0.1,50000,10.0.0.2,5432,tcp,1.5,7,5,900,4000\n",
                                  NULL);
    is_the_flow(&s.flows.at[0], true);
    sl_sample_set_done(&s);
}

static void any_table_is_read_when_its_columns_are_named(void **state)
{
    (void)state;
    static const char *const columns[] = {
        "src=who",       "dst=whom",      "sport=a",       "dport=b",        "proto=p",
        "start=when@ms", "duration=t@us", "packets=n",     "back_packets=m", "bytes=x",
        "back_bytes=y",  "mean_gap=g@ns", "label=verdict", "class=kind",     NULL};
    struct sl_sample_set s =
        good("who,whom,a,b,p,when,t,n,m,x,y,g,verdict,kind\n"
             "h-7,h-8,50000,5432,6,1000.5,1500000,7,5,900,4000,2500000,benign,cache\n"
             "h-7,h-9,1,2,17,2000,0,1,0,9,0,,benign,cache\n",
             columns);
    is_the_flow(&s.flows.at[0], true);
    assert_true(s.flows.at[0].start_ns == 1000500000); // 1000.5 ms
    close_to(s.flows.at[0].mean_gap_s, 0.0025);        // 2,500,000 ns
    assert_string_equal(cls(&s, 0), "cache");
    assert_int_equal(s.flows.at[0].src, s.flows.at[1].src); // names stand for addresses
    assert_int_not_equal(s.flows.at[0].dst, s.flows.at[1].dst);
    assert_int_equal(s.labels.len, 1);
    sl_sample_set_done(&s);
}

static void a_bare_time_tells_its_unit_by_its_size(void **state)
{
    (void)state;
    static const char *const times[] = {"1700000000", "1700000000000", "1700000000000000",
                                        "1700000000000000000"};
    for (size_t i = 0; i < 4; i++) {
        char table[128];
        snprintf(table, sizeof table, "src_ip,dst_ip,ts\n1.1.1.1,2.2.2.2,%s\n", times[i]);
        struct sl_sample_set s = good(table, NULL);
        assert_true(s.flows.at[0].start_ns == INT64_C(1700000000000000000));
        sl_sample_set_done(&s);
    }
}

static void a_bad_cell_names_line_and_column(void **state)
{
    (void)state;
#define HEAD "src_ip,dst_ip,dst_port,protocol,start_ns,duration_us,fwd_packets\n"
#define GOOD "10.0.0.1,10.0.0.2,80,6,1700000000000000000,15,3\n"
    bad(HEAD GOOD "1.1.1.1,2.2.2.2,8o,6,1,1,1\n", NULL, SL_EINPUT, 3, 3,
        "'8o' in column 'dst_port' is not a number");
    bad(HEAD GOOD "1.1.1.1,2.2.2.2,65536,6,1,1,1\n", NULL, SL_EINPUT, 3, 3,
        "'65536' in column 'dst_port' is not a whole number in range");
    bad(HEAD GOOD "1.1.1.1,2.2.2.2,80,256,1,1,1\n", NULL, SL_EINPUT, 3, 4,
        "'256' in column 'protocol' is not a protocol number");
    bad(HEAD GOOD "1.1.1.1,2.2.2.2,80,6,1.5,1,1\n", NULL, SL_EINPUT, 3, 5,
        "'1.5' in column 'start_ns' is not a whole number of nanoseconds");
    bad(HEAD GOOD "1.1.1.1,2.2.2.2,80,6,1,-1,1\n", NULL, SL_EINPUT, 3, 6,
        "'-1' in column 'duration_us' is not a duration");
    bad(HEAD GOOD "1.1.1.1,2.2.2.2,80,6,1,nan,1\n", NULL, SL_EINPUT, 3, 6,
        "'nan' in column 'duration_us' is not a number");
    bad(HEAD GOOD "1.1.1.1,2.2.2.2,80,6,1,1,1.5\n", NULL, SL_EINPUT, 3, 7,
        "'1.5' in column 'fwd_packets' is not a whole number in range");
    // the line is that of the row, also after a quoted line end
    bad(HEAD "\"a\nb\",2.2.2.2,80,6,1,1,1\n1.1.1.1,2.2.2.2,80,6,1,1,-\n1.1.1.1,2.2.2.2,x,6,1,1,1\n",
        NULL, SL_EINPUT, 5, 3, "'x' in column 'dst_port' is not a number");
    bad(HEAD GOOD "1.1.1.1,2.2.2.2,80\n", NULL, SL_EINPUT, 3, 0,
        "this row has 3 fields, the header names 7");
}

static void a_table_that_is_none_is_refused(void **state)
{
    (void)state;
    bad("", NULL, SL_EINPUT, 1, 0, "the table is empty: it has no header line");
    bad("a,b,c\n1,2,3\n", NULL, SL_EINPUT, 1, 0,
        "this is no flow table that is known here: it has neither addresses nor packets nor bytes");
}

static void a_header_alone_is_a_table_without_flows(void **state)
{
    (void)state;
    struct sl_sample_set s = good("src_ip,dst_ip,fwd_packets\n", NULL);
    assert_int_equal(s.flows.len, 0);
    sl_sample_set_done(&s);
}

static void given_columns_are_checked(void **state)
{
    (void)state;
    bad("a\n1\n", (const char *const[]){"begin=a", NULL}, SL_EUSAGE, 0, 0,
        "'begin=a' is no column: it begins with none of the names that a flow has");
    bad("a\n1\n", (const char *const[]){"start", NULL}, SL_EUSAGE, 0, 0,
        "'start' is no column: it begins with none of the names that a flow has");
    bad("a\n1\n", (const char *const[]){"start=b", NULL}, SL_EUSAGE, 0, 0,
        "the table 't.csv' has no column 'b'");
    bad("a\n1\n", (const char *const[]){"start=a@min", NULL}, SL_EUSAGE, 0, 0,
        "'min' is no unit of time: it is s, ms, us or ns");
}

static void more_rows_than_allowed_are_an_error(void **state)
{
    (void)state;
    struct sl_str s = {0};
    sl_str_add(&s, "src_ip,dst_ip\n");
    for (int i = 0; i < 101; i++)
        sl_str_add(&s, "1.1.1.1,2.2.2.2\n");
    struct sl_sample_set set = {0};
    struct sl_error err = {0};
    assert_false(parse(sl_str_text(&s), NULL, &set, &err));
    assert_string_equal(err.msg, "'t.csv' has more than 100 rows");
    sl_str_done(&s);
}

static void the_table_of_a_trace_has_the_flows_of_the_trace(void **state)
{
    (void)state;
    char path[4096];
    struct sl_error err = {0};
    struct sl_labels *labels = sl_labels_new(NULL, NULL, &err);
    assert_non_null(labels);
    struct sl_samples_options o = {.labels = labels};
    struct sl_sample_set s = {0};
    snprintf(path, sizeof path, "%s/../examples/captures/office.pcap", getenv("SLUICE_TEST_DIR"));
    assert_true(sl_samples_load(path, &o, &s, &err));
    // tshark -z conv,tcp and conv,udp, conv,ip for ICMP: 31 + 7 + 1; capinfos: 478 packets
    assert_int_equal(s.packets.len, 478);
    assert_int_equal(s.flows.len, 39);
    assert_int_equal(s.skipped, 0);
    uint64_t packets = 0;
    for (size_t i = 0; i < s.flows.len; i++)
        packets += s.flows.at[i].packets[0] + s.flows.at[i].packets[1];
    assert_int_equal(packets, 478);
    for (size_t i = 1; i < s.packets.len; i++)
        assert_true(s.packets.at[i].ts_ns >= s.packets.at[i - 1].ts_ns);
    sl_sample_set_done(&s);
    o.max_packets = 100;
    assert_true(sl_samples_load(path, &o, &s, &err));
    assert_int_equal(s.packets.len, 100);
    assert_true(s.left_out > 0);
    sl_sample_set_done(&s);
    sl_labels_free(labels);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_own_table_is_read),
        cmocka_unit_test(the_truth_stands_before_the_port_name),
        cmocka_unit_test(cicflowmeters_table_is_read),
        cmocka_unit_test(cic_ids2017_is_read),
        cmocka_unit_test(cse_cic_ids2018_is_read),
        cmocka_unit_test(ctu_13_is_read),
        cmocka_unit_test(nfdump_and_cidds_are_read),
        cmocka_unit_test(a_time_that_is_none_is_named),
        cmocka_unit_test(zeeks_conn_log_is_read),
        cmocka_unit_test(netflow_as_in_ugr16_has_no_directions),
        cmocka_unit_test(argus_as_in_unsw_nb15_is_read),
        cmocka_unit_test(argus_ra_prints_other_names),
        cmocka_unit_test(any_table_is_read_when_its_columns_are_named),
        cmocka_unit_test(a_bare_time_tells_its_unit_by_its_size),
        cmocka_unit_test(a_bad_cell_names_line_and_column),
        cmocka_unit_test(a_table_that_is_none_is_refused),
        cmocka_unit_test(a_header_alone_is_a_table_without_flows),
        cmocka_unit_test(given_columns_are_checked),
        cmocka_unit_test(more_rows_than_allowed_are_an_error),
        cmocka_unit_test(the_table_of_a_trace_has_the_flows_of_the_trace),
    };
    return cmocka_run_group_tests_name("samples", tests, NULL, NULL);
}
