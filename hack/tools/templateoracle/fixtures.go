package main

type text string

type inner struct {
	A string
	B int
}

type outer struct {
	Name   string
	Inner  inner
	Ptr    *inner
	NilPtr *inner
	List   []inner
}

type all struct {
	I, Neg, Zero int
	I8           int8
	I16          int16
	I32          int32
	I64          int64
	U            uint
	U8           uint8
	U16          uint16
	U32          uint32
	U64          uint64
	F            float64
	F32          float32
	Big          float64
	C            complex128
	T            bool
	S, Empty     string
	Uni, Bad     string
	Named        text
	Bytes        []byte
	Ints         []int
	Strings      []string
	NilInts      []int
	EmptyInts    []int
	M            map[string]string
	MI           map[string]int
	IM           map[int]string
	NilM         map[string]string
	NM           map[text]int
	O            outer
	PO           *outer
	NilPO        *outer
	PI           *int
	PS           *string
	NilPI        *int
	Any          any
	NilAny       any
	Anys         []any
	Nested       [][]string
}

// fixtures has a value of nearly every kind; test_oracle.py builds the same.
func fixtures() *all {
	seven, hello := 7, "hello"
	in := inner{"a", 1}
	out := outer{Name: "outer", Inner: in, Ptr: &in, List: []inner{{"x", 1}, {"y", 2}}}
	return &all{
		I: 42, Neg: -17, Zero: 0, I8: -8, I16: 16, I32: 32, I64: 64,
		U: 1, U8: 8, U16: 16, U32: 32, U64: 1 << 63,
		F: 1.5, F32: 0.1, Big: 1e21, C: complex(1, -2), T: true,
		S: "str", Uni: "héllo, 世界\n", Bad: "a\xffb", Named: "named",
		Bytes: []byte("by"), Ints: []int{3, 1, 2}, Strings: []string{"a", "b c", ""},
		EmptyInts: []int{}, M: map[string]string{"b": "2", "a": "1"},
		MI: map[string]int{"one": 1}, IM: map[int]string{2: "two", 1: "one"},
		NM: map[text]int{"k": 1}, O: out, PO: &out, PI: &seven, PS: &hello,
		Any: "any", Anys: []any{1, "two", 3.5, nil, true}, Nested: [][]string{{"a"}, {"b", "c"}},
	}
}
