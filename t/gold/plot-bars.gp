set terminal svg size 348,397 standalone noenhanced font 'sans,12' background '#ffffff'
set encoding utf8
set datafile missing '?'
set border 31 linewidth 0.5 linecolor '#888888'
set tics out nomirror scale 0.5 font 'sans,10' textcolor '#444444'
set format '%.9g'
unset key
set multiplot
set yrange [0:48.5333333]
set ytics 20
set style fill solid noborder
set boxwidth 0.86 relative
set grid y linewidth 0.5 linecolor '#dddddd'
set lmargin at screen 0.16092
set rmargin at screen 0.90805
set tmargin at screen 0.92443
set bmargin at screen 0.62217
set title 'layer 0' noenhanced offset 0,-0.7
set xlabel '' noenhanced offset 0,0.5
set label 2 '% of tokens' noenhanced at screen 0.034483,0.7733 center rotate
set xrange [-0.5:7.5]
set xtics ('1' 0, '7' 1, '2' 2, '4' 3, '0' 4, '3' 5, '6' 6, '5' 7)
$panel0 << EOD
0 46.666666666666664
1 32.916666666666664
2 27.083333333333332
3 21.25
4 20.416666666666668
5 18.5
6 18.5
7 14.666666666666666
EOD
set label 4 'mean' at graph 1, first 25 left offset 0.3,0 font ',9' textcolor '#d1495b'
plot $panel0 using 1:2 with boxes linecolor '#2c728e', 25 with lines linecolor '#d1495b' linewidth 1 dashtype 2
set lmargin at screen 0.16092
set rmargin at screen 0.90805
set tmargin at screen 0.46599
set bmargin at screen 0.16373
unset label 1
unset label 2
unset label 3
set title 'layer 2' noenhanced offset 0,-0.7
set xlabel 'expert' noenhanced offset 0,0.5
set label 2 '% of tokens' noenhanced at screen 0.034483,0.31486 center rotate
set xrange [-0.5:7.5]
set xtics ('2' 0, '1' 1, '7' 2, '4' 3, '5' 4, '6' 5, '0' 6, '3' 7)
$panel1 << EOD
0 45.583333333333336
1 32.25
2 24.583333333333332
3 23
4 22.5
5 18.416666666666668
6 17
7 16.666666666666668
EOD
set label 4 'mean' at graph 1, first 25 left offset 0.3,0 font ',9' textcolor '#d1495b'
plot $panel1 using 1:2 with boxes linecolor '#2c728e', 25 with lines linecolor '#d1495b' linewidth 1 dashtype 2
unset multiplot
