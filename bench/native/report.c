#include <sys/resource.h>

#include "load.h"

static void number(FILE *out, const char *name, uint64_t value) {
    fprintf(out, "\"%s\": %llu, ", name, (unsigned long long)value);
}

static void print_missing(FILE *out, const struct load *load) {
    uint64_t missing = 0, first = 0;
    for (uint64_t i = 0; load->client_count && i < load->next_event; i++)
        if ((load->events[i] & EVENT_ACCEPTED) && !(load->events[i] & EVENT_RECEIVED))
            if (!missing++)
                first = i;
    number(out, "missing", missing);
    if (missing)
        number(out, "first_missing", first);
}

static void print_counts(FILE *out, const struct counts *c) {
    number(out, "requests", c->requests);
    number(out, "events_sent", c->events_sent);
    number(out, "events_unsent", c->unsent);
    number(out, "accepted", c->accepted);
    number(out, "partial_answers", c->partial);
    number(out, "rejected_429", c->rejected_429);
    number(out, "rejected_503", c->rejected_503);
    number(out, "other_status", c->other_status);
    number(out, "duplicates_reported", c->duplicates_reported);
    number(out, "connection_errors", c->connection_errors);
    number(out, "unanswered", c->unanswered);
    number(out, "frames", c->frames);
    number(out, "messages", c->messages);
    number(out, "hellos", c->hellos);
    number(out, "pings", c->pings);
    number(out, "received", c->received);
    number(out, "duplicates", c->duplicates);
    number(out, "foreign", c->foreign);
    number(out, "malformed", c->malformed);
    number(out, "misdelivered", c->misdelivered);
    number(out, "out_of_order", c->out_of_order);
    number(out, "resyncs", c->resyncs);
    number(out, "acknowledged", c->acknowledged);
    number(out, "sockets_closed", c->closed);
    number(out, "handshakes_failed", c->handshakes_failed);
    number(out, "write_failures", c->write_failures);
    number(out, "sockets_returned", c->returned);
    number(out, "bytes_in", c->bytes_in);
    number(out, "bytes_out", c->bytes_out);
}

static void print_times(FILE *out, const struct load *load) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double user = (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6;
    double system = (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
    double sending = (double)(load->sending_ended_us - load->start_us) / 1e6;
    double receiving = (double)(load->last_received_us - load->start_us) / 1e6;
    fprintf(out, "\"sending_s\": %.3f, \"receiving_s\": %.3f, ", sending,
            load->last_received_us ? receiving : 0.0);
    double returned = (double)(load->last_returned_us - load->start_us) / 1e6;
    fprintf(out, "\"last_returned_s\": %.3f, ", load->last_returned_us ? returned : 0.0);
    fprintf(out, "\"generator_user_s\": %.3f, \"generator_system_s\": %.3f, ", user, system);
}

static void print_seconds(FILE *out, const struct load *load) {
    int last = 0;
    for (int i = 0; i < SECONDS_MAX; i++)
        if (load->received_per_second[i])
            last = i + 1;
    fprintf(out, "\"received_per_second\": [");
    for (int i = 0; i < last; i++)
        fprintf(out, "%s%u", i ? ", " : "", load->received_per_second[i]);
    fprintf(out, "]}\n");
}

void report_print(const struct load *load) {
    FILE *out = stdout;
    fprintf(out, "{\"phase\": \"done\", \"sockets_open\": %u, ", load->client_open);
    print_counts(out, &load->counts);
    print_missing(out, load);
    print_times(out, load);
    histogram_print(out, "latency", &load->latency);
    fprintf(out, ", ");
    histogram_print(out, "latency_with_warmup", &load->latency_all);
    fprintf(out, ", ");
    histogram_print(out, "answer_since_due", &load->answer);
    fprintf(out, ", ");
    histogram_print(out, "answer_since_sent", &load->service);
    fprintf(out, ", ");
    histogram_print(out, "lateness", &load->lateness);
    fprintf(out, ", ");
    histogram_print(out, "away", &load->away);
    fprintf(out, ", ");
    print_seconds(out, load);
    fflush(out);
}
