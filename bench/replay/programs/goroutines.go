// usage: goroutines - goroutines that compute and talk over channels, and a timer.
package main

import (
	"fmt"
	"sync"
	"time"
)

func main() {
	numbers, squares := make(chan uint64), make(chan uint64, 16)
	var group sync.WaitGroup
	for worker := 0; worker < 8; worker++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for number := range numbers {
				for n := 0; n < 20000; n++ {
					number = number*6364136223846793005 + 1442695040888963407
				}
				squares <- number
			}
		}()
	}
	go func() {
		for n := uint64(0); n < 4000; n++ {
			numbers <- n
		}
		close(numbers)
		group.Wait()
		close(squares)
	}()
	ticker := time.NewTicker(time.Millisecond)
	sum := uint64(0)
	for square := range squares {
		sum ^= square
	}
	ticker.Stop()
	fmt.Println(sum)
}
