set terminal svg size 741,465 standalone noenhanced font 'sans,12' background '#ffffff'
set encoding utf8
set datafile missing '?'
set border 31 linewidth 0.5 linecolor '#888888'
set tics out nomirror scale 0.5 font 'sans,10' textcolor '#444444'
set format '%.9g'
unset key
set label 1 'it'."'".'s' noenhanced font 'sans,15' at screen 0.5,0.95978 center
set multiplot
set grid linewidth 0.5 linecolor '#dddddd'
set xrange [1:16]
set xtics 2
set yrange [0:100]
set ytics 10
set key at screen 0.87989,0.88817 left top Left reverse samplen 1.5 spacing 1.2 vertical maxrows 2 font 'sans,10' noenhanced
set arrow 1 from first 2, graph 0 to first 2, graph 1 nohead front linecolor '#888888' linewidth 1 dashtype 2
set label 4 '2: 26.9062 %' at first 2, graph 1 left offset 0,0.5 font 'sans,10'
set arrow 2 from first 8, graph 0 to first 8, graph 1 nohead front linecolor '#888888' linewidth 1 dashtype 2
set label 5 '8: 66.8750 %' at first 8, graph 1 center offset 0,0.5 font 'sans,10'
$curve0 << EOD
1 15.375
2 26.6875
3 35.25
4 43.25
5 50.6875
6 56.4375
7 61.875
8 66.9375
9 71.9375
10 76.8125
11 81.4375
12 85.75
13 89.75
14 93.375
15 96.75
16 100
EOD
$curve1 << EOD
1 16.1875
2 27.125
3 36.5
4 43.75
5 50.125
6 56.1875
7 61.5625
8 66.8125
9 72
10 76.75
11 81.375
12 85.375
13 89.3125
14 93
15 96.5625
16 100
EOD
set lmargin at screen 0.075574
set rmargin at screen 0.83131
set tmargin at screen 0.87097
set bmargin at screen 0.13978
set title '' noenhanced offset 0,-0.7
set xlabel 'rank, the largest first' noenhanced offset 0,0.5
set label 2 '% of all picks up to there' noenhanced at screen 0.016194,0.50538 center rotate
plot $curve0 using 1:2 with lines linecolor '#2c728e' linewidth 1.3 notitle, \
$curve1 using 1:2 with lines linecolor '#d1495b' linewidth 1.3 notitle, \
keyentry with lines linecolor '#2c728e' linewidth 1.3 title 'layer=0', \
keyentry with lines linecolor '#d1495b' linewidth 1.3 title 'layer=2'
unset key
unset colorbox
unset multiplot
