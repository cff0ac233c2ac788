/* exit: 0 */
/* setlocale and iconv, which map archives and load modules where the machine has them. */
#include "check.h"

#include <iconv.h>
#include <locale.h>
#include <wchar.h>

int main(void) {
    static const char *const names[] = {"", "C.UTF-8", "en_US.UTF-8", "de_DE.UTF-8"};
    static const char *const codes[] = {"LATIN1", "UTF-16LE", "UTF-32", "EUC-JP"};
    wchar_t wide[20];
    char text[100];

    for (size_t i = 0; i < COUNT(names); i++) {
        const char *got = setlocale(LC_ALL, names[i]);
        printf("%s: %s, point %s\n", names[i], got ? got : "not here", localeconv()->decimal_point);
    }
    time_t now = time(NULL);
    CHECK(strftime(text, sizeof text, "%A %c", localtime(&now)) > 0);
    printf("%s, %zd wide characters\n", text, (ssize_t)mbstowcs(wide, "gr\xc3\xbc\xc3\x9f", 20));
    for (size_t i = 0; i < COUNT(codes); i++) {
        char *in = (char[]){"gr\xc3\xbc\xc3\x9f"}, *out = text;
        size_t left = 6, room = sizeof text;
        iconv_t conversion = iconv_open(codes[i], "UTF-8");
        if (conversion == (iconv_t)-1) {
            printf("%s: not here\n", codes[i]);
            continue;
        }
        size_t result = iconv(conversion, &in, &left, &out, &room);
        printf("%s: %zd, %016llx\n", codes[i], (ssize_t)result,
               (unsigned long long)hash_of(text, (size_t)(out - text)));
        iconv_close(conversion);
    }
    return 0;
}
