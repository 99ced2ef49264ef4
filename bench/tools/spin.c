// A fixed piece of work; prints the milliseconds of CPU it took. Run before and after a bench, it says how much the
// machine itself changed.
#include <stdint.h>
#include <stdio.h>
#include <time.h>

int main(void) {
    static uint32_t table[1 << 16];
    struct timespec begin, end;
    uint64_t x = 88172645463325252ULL;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
    for (int i = 0; i < 20000000; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        table[x & 0xffff] += x;
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    printf("%.1f\n", (end.tv_sec - begin.tv_sec) * 1e3 + (end.tv_nsec - begin.tv_nsec) / 1e6 + (table[7] == 1) * 1e-9);
}
