#include "load.h"

static unsigned bucket_of(uint64_t value) {
    if (value < 128)
        return (unsigned)value;
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - 6u;
    return shift * 64u + (unsigned)(value >> shift);
}

static uint64_t highest_in(unsigned bucket) {
    if (bucket < 128)
        return bucket;
    unsigned shift = bucket / 64u - 1u;
    return ((uint64_t)(bucket - shift * 64u + 1u) << shift) - 1u;
}

void histogram_add(struct histogram *h, int64_t value_us) {
    uint64_t value = value_us < 0 ? 0 : (uint64_t)value_us;
    unsigned bucket = bucket_of(value);
    h->bucket[bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1]++;
    h->count++;
    if (value > h->max)
        h->max = value;
}

uint64_t histogram_quantile(const struct histogram *h, double q) {
    uint64_t rank = (uint64_t)(q * (double)h->count), below = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        below += h->bucket[i];
        if (below > rank) {
            uint64_t value = highest_in(i);
            return value < h->max ? value : h->max;
        }
    }
    return h->max;
}

void histogram_print(FILE *out, const char *name, const struct histogram *h) {
    fprintf(out,
            "\"%s\": {\"count\": %llu, \"p50_us\": %llu, \"p90_us\": %llu, \"p99_us\": %llu, "
            "\"p999_us\": %llu, \"max_us\": %llu}",
            name, (unsigned long long)h->count, (unsigned long long)histogram_quantile(h, 0.5),
            (unsigned long long)histogram_quantile(h, 0.9),
            (unsigned long long)histogram_quantile(h, 0.99),
            (unsigned long long)histogram_quantile(h, 0.999), (unsigned long long)h->max);
}
